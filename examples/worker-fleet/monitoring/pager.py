"""Where pages arrive: a webhook that writes each alert to a file and to standard output."""

import argparse
import json
from http.server import BaseHTTPRequestHandler, HTTPServer


class Pager(BaseHTTPRequestHandler):
    file = None

    def do_POST(self):
        page = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(self.file, "a") as pages:
            for alert in page["alerts"]:
                line = json.dumps({"status": alert["status"], "labels": alert["labels"]})
                print(line, file=pages)
                print(line, flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9099)
    parser.add_argument("--file", default="/dev/null")
    given = parser.parse_args()
    Pager.file = given.file
    HTTPServer((given.address, given.port), Pager).serve_forever()
