"""A WHOIS server on loopback: answers as the registry of .jp does, or misbehaves as told."""

import contextlib
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from socket import SO_LINGER, SOL_SOCKET, socket

Behaviour = Callable[[socket, str], None]

# the form of the registry's answers, with made-up data
ORGANIZATIONAL = """\
[ JPRS database provides information on network administration. Its use is    ]
[ restricted to network administration purposes.                              ]

Domain Information: [ドメイン情報]
a. [ドメイン名]                 {upper}
e. [そしきめい]                 てすときかん
f. [組織名]                     {name}
g. [Organization]               {english}
k. [組織種別]                   大学
l. [Organization Type]          University
m. [登録担当者]                 AB001JP
p. [ネームサーバ]               ns1.example.ac.jp
s. [署名鍵]
[状態]                          Connected (2027/03/31)
[登録年月日]
[最終更新]                      2026/04/01 01:09:06 (JST)

"""
GENERAL = """\
Domain Information: [ドメイン情報]
[Domain Name]                   {upper}

[登録者名]                      {name}
[Registrant]                    {english}

[Name Server]                   ns1.example.jp
[Signing Key]

[登録年月日]                    2005/05/30
[状態]                          Active
[最終更新]                      2026/06/01 01:05:09 (JST)

Contact Information: [公開連絡窓口]
[名前]                          代理窓口株式会社
[Name]                          Proxy Desk Inc.
[住所]                          東京都千代田区
                                [Registrant] Evil
"""
NO_MATCH = "[ Notice ]\nNo match!!\n\nWith JPRS WHOIS, you can query the following domain name information\n"


def jprs(
    domain: str, name: str = "テスト機関", english: str = "Testkikan", form: str = ORGANIZATIONAL
) -> bytes:
    text = form.format(upper=domain.upper(), name=name, english=english)
    return text.replace("\n", "\r\n").encode("iso2022_jp")


def say(answer: bytes) -> Behaviour:
    return lambda connection, question: connection.sendall(answer)


def reset(connection: socket, question: str) -> None:
    """Half an answer, then RST instead of an end."""
    connection.sendall(jprs("example.ac.jp")[:400])
    connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))


class WhoisServer:
    """`behaviour` may be changed at any time; `questions`: every line that was asked."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = say(jprs("example.ac.jp"))
        self.questions: list[str] = []
        self.closing = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                question = self.rfile.readline().decode("ascii")
                outer.questions.append(question)
                with contextlib.suppress(OSError):
                    outer.behaviour(self.connection, question)

            def finish(self) -> None:
                with contextlib.suppress(OSError):
                    super().finish()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]

    def stay_silent(self, connection: socket, question: str) -> None:
        self.closing.wait(20)

    def drip(self, connection: socket, question: str) -> None:
        while not self.closing.wait(0.01):
            connection.sendall(b".")

    def flood(self, connection: socket, question: str) -> None:
        while not self.closing.is_set():
            connection.sendall(b"[Registrant] Testkikan\n" * 1000)

    def serve(self) -> None:
        self._server.serve_forever(poll_interval=0.02)

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def whois_server() -> Iterator[WhoisServer]:
    server = WhoisServer()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
