"""Small servers that speak as providers of models do, and misbehave when told to.

    with Provider("ollama") as p:      # or "openai", "sidecar"
        p.toml()                       # its [[provider]] and models `embed-ollama` (3 dimensions) and `chat-ollama`
        p.mode = "fail"                # fail, wrong_dimension, nan, redirect, slow, cut, stall; "" is good
        p.requests                     # what it was asked: (path, headers, body)
"""

import base64
import http.server
import json
import struct
import threading

WORDS = ["Hello", " from", " afar"]


def vector(text):
    return [float(len(text)), float(sum(text.encode()) % 97), 1.0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, content_type="application/json", headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/api/tags":
            return self.reply(200, {"models": [{"name": "far-model:latest"}]})
        return self.reply(404, {"error": "not found"})

    def do_POST(self):
        provider = self.server.provider
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        with provider.lock:
            provider.requests.append((self.path, dict(self.headers), body))
            mode = provider.mode
            if provider.fail_next > 0:
                provider.fail_next -= 1
                mode = "fail"
        if provider.key and self.headers.get("Authorization") != "Bearer " + provider.key:
            return self.reply(401, {"error": {"message": "wrong key"}})
        if mode == "fail":
            return self.reply(503, {"error": "overloaded"})
        if mode == "redirect":
            return self.reply(307, b"", headers=[("Location", provider.elsewhere)])
        if mode == "slow":
            provider.may_go.wait(60)
        if self.path in ("/api/embed", "/v1/embeddings", "/embed"):
            return self.embed(provider, body, mode)
        if self.path in ("/api/chat", "/v1/chat/completions", "/generate"):
            return self.chat(provider, mode)
        return self.reply(404, {"error": "not found"})

    def embed(self, provider, body, mode):
        vectors = [vector(t) for t in body.get("texts", body.get("input"))]
        if mode == "wrong_dimension":
            vectors = [v[:2] for v in vectors]
        if mode == "nan":
            vectors[0][0] = float("nan")
        if provider.kind == "ollama":
            answer = {"embeddings": vectors, "prompt_eval_count": 9}
        elif provider.kind == "openai":
            answer = {"data": [{"index": i, "embedding": v} for i, v in enumerate(vectors)], "usage": {"prompt_tokens": 9}}
        else:
            flat = [x for v in vectors for x in v]
            answer = {"count": len(vectors), "vectors": base64.b64encode(struct.pack(f"<{len(flat)}f", *flat)).decode(), "prompt_tokens": 9}
        return self.reply(200, answer)

    def events(self, kind):
        if kind == "ollama":
            for word in WORDS:
                yield json.dumps({"message": {"role": "assistant", "content": word}, "done": False}) + "\n"
            yield json.dumps({"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 4, "eval_count": 3}) + "\n"
        elif kind == "openai":
            for word in WORDS:
                yield "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}) + "\n\n"
            yield "data: " + json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}) + "\n\n"
            yield "data: " + json.dumps({"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}}) + "\n\n"
            yield "data: [DONE]\n\n"
        else:
            for word in WORDS:
                yield json.dumps({"piece": word}) + "\n"
            yield json.dumps({"done": True, "finish_reason": "stop", "prompt_tokens": 4, "completion_tokens": 3}) + "\n"

    def chat(self, provider, mode):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if provider.kind == "openai" else "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for i, event in enumerate(self.events(provider.kind)):
            if i == 2 and mode == "cut":
                self.close_connection = True
                return
            if i == 1 and mode == "stall":
                provider.may_go.wait(60)
            data = event.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that leaves early is what some tests do


class Provider:
    def __init__(self, kind, key=None):
        self.kind = kind
        self.key = key
        self.mode = ""
        self.fail_next = 0
        self.elsewhere = "http://127.0.0.1:1/"
        self.requests = []
        self.lock = threading.Lock()
        self.may_go = threading.Event()

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.provider = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.may_go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}" + ("/v1" if self.kind == "openai" else "")

    def toml(self, credentials="", timeout="2s"):
        kind = self.kind
        return (f'[[provider]]\nname = "{kind}"\nkind = "{kind}"\nurl = "{self.url}"\ncredentials = "{credentials}"\ntimeout = "{timeout}"\n'
                f'[[model]]\nname = "embed-{kind}"\nprovider = "{kind}"\nkind = "embed"\ndim = 3\nbatch = 8\n'
                f'[[model]]\nname = "chat-{kind}"\nprovider = "{kind}"\nkind = "generate"\n')
