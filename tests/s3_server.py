"""Moto's S3 over HTTP in a process of its own; it says its port.

S3 looks whether an object is there and puts it in one step, moto in two: so one request that puts is answered at a time.
"""
from threading import Lock

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

moto, one_at_a_time = DomainDispatcherApplication(create_backend_app), Lock()


class Quiet(WSGIRequestHandler):
    def log_request(self, *about): pass


def answer(environ, start_response):
    if environ["REQUEST_METHOD"] == "GET": return moto(environ, start_response)
    with one_at_a_time: return moto(environ, start_response)


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
