from wsgiref.types import WSGIApplication

class StopableWSGIServer:
    application_url: str
    @classmethod
    def create(cls, application: WSGIApplication) -> StopableWSGIServer: ...
    def shutdown(self) -> bool: ...
