"""A server that is told how to answer, byte by byte, and the ways in which servers misbehave.

It is real: a loopback socket.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from overseer.models.openai import MAX_BODY

CANARY = "sk-canary-5d1e7"
"""A key that must be found nowhere."""
Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """What reached the server: the requests in order, with the time of each and how often each body came."""

    script: Callable[[int, bytes], Behaviour]
    address: str = ""
    bodies: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    attempts: Counter[bytes] = field(default_factory=Counter)
    open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.heads.append(head)
                self.bodies.append(body)
                self.times.append(asyncio.get_running_loop().time())
                self.attempts[body] += 1
                await self.script(self.attempts[body], body)(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serving(script: Callable[[int, bytes], Behaviour]) -> AsyncIterator[Server]:
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=512)
    server.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()


# --- how it answers ------------------------------------------------------------------------------------------------


def answering(body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> Behaviour:
    """A whole HTTP response."""
    lines = {"Content-Length": str(len(body)), "Content-Type": "application/json"} | dict(headers or {})
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode("latin-1") + body)

    return behave


def completion(text: object = "approve", finish: object = "stop", **message: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text} | message, "finish_reason": finish}
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}
    return json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()


def refusing(status: str, headers: Mapping[str, str] | None = None) -> Behaviour:
    return answering(b'{"error": {"message": "no"}}', status, headers)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client leaves


async def cut_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + completion()[:40])
    await writer.drain()
    writer.transport.abort()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    body = completion()
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()
    writer.transport.abort()


BAD_ANSWERS: dict[str, tuple[Behaviour, str]] = {
    "HTML with 200": (answering(b"<html>busy</html>", headers={"Content-Type": "text/html"}), "malformed"),
    "empty body": (answering(b""), "malformed"),
    "truncated JSON": (answering(completion()[:60]), "malformed"),
    "a stream": (answering(b'data: {"choices": []}\n\n'), "malformed"),
    "no choice": (answering(b'{"choices": []}'), "malformed"),
    "two choices": (answering(b'{"choices": [{"message": {"content": "a"}}, {}]}'), "malformed"),
    "no text": (answering(completion(None)), "malformed"),
    "text in parts": (answering(completion([{"type": "text", "text": "approve"}])), "malformed"),
    "duplicate keys": (answering(b'{"choices": [], ' + completion()[1:]), "malformed"),
    "not UTF-8": (answering(b'{"choices": "\xff"}'), "malformed"),
    "deep": (answering(b"[" * 100_000), "malformed"),
    "a gzip bomb": (answering(gzip.compress(bytes(50 * MAX_BODY)), headers={"Content-Encoding": "gzip"}), "malformed"),
    "half a gzip": (answering(gzip.compress(completion())[:-9], headers={"Content-Encoding": "gzip"}), "malformed"),
    "no gzip": (answering(completion(), headers={"Content-Encoding": "gzip"}), "malformed"),
    "brotli": (answering(completion(), headers={"Content-Encoding": "br"}), "malformed"),
    "a long body": (answering(b" " * (MAX_BODY + 1)), "malformed"),
    "the key in the text": (answering(completion(f"My key is {CANARY}.")), "malformed"),
    "a filtered answer": (answering(completion("", "content_filter")), "refused"),
    "a refusal": (answering(completion(None, refusal="I cannot.")), "refused"),
    "context overflow": (answering(b'{"error": {"code": "context_length_exceeded"}}', "400 Bad Request"), "refused"),
    "a wrong key": (refusing("401 Unauthorized"), "refused"),
    "an unknown model": (refusing("404 Not Found"), "refused"),
    "a redirect": (refusing("307 Temporary Redirect", {"Location": "http://127.0.0.1:9/"}), "refused"),
}
"""What a server says, badly, and the kind of failure that it is."""

TRANSPORT: dict[str, Behaviour] = {
    "429": refusing("429 Too Many Requests"),
    "500": refusing("500 Internal Server Error"),
    "503": refusing("503 Service Unavailable"),
    "reset": reset,
    "cut short": cut_short,
    "no HTTP": no_http,
}
"""What happens on the way: worth another attempt."""

_ECHO = f'{{"error": {{"message": "Incorrect key {CANARY}", "code": "{CANARY}", "type": "{CANARY}"}}}}'.encode()
ECHOES: tuple[Behaviour, ...] = (
    answering(_ECHO, "401 Unauthorized"),
    answering(_ECHO, "400 Bad Request", {"X-Echo": CANARY}),
    answering(_ECHO, "500 Internal Server Error", {"Retry-After": CANARY}),
    answering(_ECHO, f"418 {CANARY}"),
    answering(f"<html>{CANARY}</html>".encode()),
    answering(f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode()),
    answering(completion(CANARY)),
    answering(completion(finish=CANARY)),
    answering(b"", "302 Found", {"Location": f"http://127.0.0.1/{CANARY}"}),
    answering(completion(), headers={"Content-Encoding": CANARY}),
)
"""A server that tells the key it was sent, wherever it can."""
