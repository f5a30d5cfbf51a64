from tests.faults import handlers

handlers.register_from_environment()
