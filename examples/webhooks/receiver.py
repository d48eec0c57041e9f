"""A receiver of start webhooks: checks the signature and ends the task with its answer. With a program as argument it
starts that instead, with the handle as its argument, and the program reports (executor.sh). Nothing but Python 3.9.
WEBHOOK_SECRET is what `millpond webhook-secret show` says. Listens on 127.0.0.1:PORT, 9091 if that is not set."""
import base64, hashlib, hmac, http.server, json, os, subprocess, sys, time, urllib.parse

# snippet: all
secret = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))

class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        status, answer = (200, self.start(json.loads(body))) if self.is_signed(body) else (401, {"error": "signature"})
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def is_signed(self, body):
        id, sent, signatures = (self.headers[f"webhook-{name}"] or "" for name in ("id", "timestamp", "signature"))
        own = base64.b64encode(hmac.digest(secret, f"{id}.{sent}.".encode() + body, hashlib.sha256)).decode()
        known = [hmac.compare_digest(one, f"v1,{own}") for one in signatures.split()]
        return any(known) and abs(time.time() - float(sent)) < 300

    def start(self, assignment):
        if len(sys.argv) > 1:  # answers that it has started; the program reports to the handle
            handle = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)["handle"][0]
            subprocess.Popen([sys.argv[1], handle])
            return {}
        return {"success": {"output": {"greeting": f"hello, {assignment['task']['input']['name']}"}}}
# end: all

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9091"))), Receiver)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
