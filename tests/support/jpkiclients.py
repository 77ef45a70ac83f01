"""Programs that use a JPKI card, none of them written here: each does its whole work once, and it is checked."""

from __future__ import annotations

import os
import pwd
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from reportlab.pdfgen.canvas import Canvas

from jukicard.applets.jpki.layout import Usage
from tests.support import jpkica
from tests.support.inserted import wait_until
from tests.support.jpkicards import (
    OBJECT_IDS,
    PASSWORD_TEXTS,
    TOKEN_LABELS,
    HeldCard,
    certificate_of,
    first_existing,
    opensc_module,
    public_key,
)
from tests.support.pcscd import find_tool

Use = Callable[[HeldCard, Usage], None]
SIGN_PDF = Path(__file__).with_name("jpki_sign_pdf.py")
ONCE = "framework pkcs15 { pin_cache_ignore_user_consent = true; }"
"""Has OpenSC remember the signature key's password, for programs that cannot ask for it before each signature."""
NO_PSS = "RSA+SHA256:ECDSA+SHA256"
"""OpenSC's module has the card do PKCS #1 v1.5 only: no TLS 1.3, and no PSS in TLS 1.2."""


@dataclass(frozen=True)
class Client:
    """A program, how its version is asked for (`program --version` unless `version` is given), and its work."""

    name: str
    program: str
    package: str
    use: Use
    version: tuple[str, ...] = ("--version",)


def version_of(distribution: str) -> tuple[str, ...]:
    """The words that have Python tell the version of an installed distribution."""
    return "-c", f"from importlib.metadata import version; print('{distribution}', version('{distribution}'))"


# --- OpenSC


def pkcs11_tool(card: HeldCard, *words: str, succeeds: bool | None = True, password: str = "") -> str:
    """Run it; `password` is what `env:PASSWORD` in its words stands for."""
    tool = find_tool("pkcs11-tool", "opensc")
    return card.run(tool, "--module", opensc_module(), *words, succeeds=succeeds, PASSWORD=password)


def token(usage: Usage) -> tuple[str, ...]:
    """The words for pkcs11-tool that choose a password's token, and log in."""
    return "--token-label", TOKEN_LABELS[usage], "--login", "--pin", "env:PASSWORD"


def pkcs11_sign(
    card: HeldCard, usage: Usage, succeeds: bool | None = True, password: str | None = None
) -> tuple[str, Path]:
    """Have pkcs11-tool sign a file, with the right password or another: what it says, and the file of the signature."""
    message, signature = card.home / "message", card.home / "signature"
    message.write_bytes(b"a message to be signed")
    signature.unlink(missing_ok=True)
    words = "--sign", "--id", f"{OBJECT_IDS[usage]:02}", "--mechanism", "SHA256-RSA-PKCS"
    files = "--input-file", str(message), "--output-file", str(signature)
    password = PASSWORD_TEXTS[usage] if password is None else password
    return pkcs11_tool(card, *token(usage), *words, *files, succeeds=succeeds, password=password), signature


def _pkcs15_tool(card: HeldCard, usage: Usage) -> None:
    tool = find_tool("pkcs15-tool", "opensc")
    found = card.run(tool, "-D")
    assert "PKCS#15 Card [JPKI]" in found
    assert re.findall(r"Tries left +: (\d)", found) == ["3", "5"]
    ident = f"{OBJECT_IDS[usage]:02}"
    words = "--read-certificate", ident, "--auth-id", ident, "--verify-pin", "--pin", "env:PASSWORD"
    printed = card.run(tool, *words, PASSWORD=PASSWORD_TEXTS[usage])
    assert jpkica.as_pem(certificate_of(card.store, usage)).decode() in printed


def _pkcs11_tool_lists(card: HeldCard, usage: Usage) -> None:
    found = pkcs11_tool(card, "-O", *token(usage), password=PASSWORD_TEXTS[usage])
    assert found.count("Private Key Object; RSA") == 1
    assert "Public Key Object; RSA 2048 bits" in found
    assert "Certificate Object; type = X.509 cert" in found


def _pkcs11_tool_signs(card: HeldCard, usage: Usage) -> None:
    _, signature = pkcs11_sign(card, usage)
    key = public_key(certificate_of(card.store, usage))
    key.verify(signature.read_bytes(), (card.home / "message").read_bytes(), padding.PKCS1v15(), SHA256())


def _pkcs11_tool_tests(card: HeldCard, usage: Usage) -> None:
    said = pkcs11_tool(card, "--test", *token(usage), password=PASSWORD_TEXTS[usage])
    assert "SHA256-RSA-PKCS: OK" in said  # it says "No errors" as well when it has skipped the key
    assert said.index("\nNo errors")
    assert "ERR" not in said


# --- GnuTLS


def _url(usage: Usage, kind: str) -> str:
    return f"pkcs11:token={quote(TOKEN_LABELS[usage])};id=%{OBJECT_IDS[usage]:02};type={kind}"


def _p11tool(card: HeldCard, usage: Usage) -> None:
    p11tool = partial(
        card.run, find_tool("p11tool", "gnutls-bin"), "--provider", opensc_module(), GNUTLS_PIN=PASSWORD_TEXTS[usage]
    )
    assert f"Label: {TOKEN_LABELS[usage]}" in p11tool("--list-tokens")
    assert "Verifying against public key in the token... ok" in p11tool(
        "--login", "--test-sign", _url(usage, "private")
    )
    exported = p11tool("--login", "--export", _url(usage, "cert"))
    assert jpkica.as_pem(certificate_of(card.store, usage)).decode() in exported


def _gnutls_cli(card: HeldCard, usage: Usage) -> None:
    with _tls_server(card, usage) as (port, seen):
        said = card.run(
            find_tool("gnutls-cli", "gnutls-bin"),
            *("--provider", opensc_module(), "--x509cafile", card.home / "ca.pem", "--port", str(port)),
            *("--x509certfile", _url(usage, "cert"), "--x509keyfile", _url(usage, "private")),
            *("--priority", "NORMAL:-VERS-TLS1.3", "127.0.0.1"),
            GNUTLS_PIN=PASSWORD_TEXTS[usage],
        )
    assert "The certificate is trusted" in said
    assert seen == [certificate_of(card.store, usage)]


# --- OpenSSL


def _openssl(card: HeldCard, usage: Usage) -> None:
    card.configure_opensc(ONCE)
    certificate = card.home / "certificate.pem"
    certificate.write_bytes(jpkica.as_pem(certificate_of(card.store, usage)))
    settings = card.home / "openssl.cnf"
    settings.write_text(
        "openssl_conf = main\n[main]\nengines = engines\n[engines]\npkcs11 = pkcs11\n"
        f"[pkcs11]\nengine_id = pkcs11\nMODULE_PATH = {opensc_module()}\ninit = 0\n"
    )
    key = f"{_url(usage, 'private')};pin-source=file:{card.password_file(usage)}"
    with _tls_server(card, usage) as (port, seen):
        said = card.run(
            find_tool("openssl", "openssl"),
            *("s_client", "-quiet", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-sigalgs", NO_PSS),
            *("-CAfile", card.home / "ca.pem", "-verify_return_error"),
            *("-engine", "pkcs11", "-keyform", "engine", "-key", key, "-cert", certificate),
            succeeds=None,  # the server says that it has done when it hangs up
            OPENSSL_CONF=str(settings),
        )
    assert seen == [certificate_of(card.store, usage)], said


@contextmanager
def _tls_server(card: HeldCard, usage: Usage) -> Iterator[tuple[int, list[bytes | None]]]:
    """A server for one connection that wants a certificate of the TEST CA: its port, and what it was shown."""
    key, certificate = jpkica.server(usage)
    for name, content in ("key", key), ("server", certificate), ("ca", jpkica.as_pem(jpkica.ca_certificate(usage))):
        (card.home / f"{name}.pem").write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(card.home / "server.pem", card.home / "key.pem")
    context.load_verify_locations(card.home / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[bytes | None] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, context.wrap_socket(connection, server_side=True) as secured:
                seen.append(secured.getpeercert(binary_form=True))
                secured.unwrap()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], seen
        thread.join(30)


# --- OpenSSH


def _ssh(card: HeldCard, usage: Usage) -> None:
    """The agent is told the password, and logs in to a server that knows the card's public key."""
    card.configure_opensc(ONCE)
    folder = card.home / f"ssh-{usage}"
    folder.mkdir()
    asking = folder / "ask"
    asking.write_text(f"#!/bin/sh\ncat '{card.password_file(usage)}'\n")
    asking.chmod(0o700)
    agent = {"SSH_AUTH_SOCK": str(folder / "agent"), "SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force"}
    with _running(card, find_tool("ssh-agent", "openssh-client"), "-D", "-a", folder / "agent"):
        wait_until((folder / "agent").exists, "the agent")
        card.run(find_tool("ssh-add", "openssh-client"), "-s", opensc_module(), **agent)
        keys = card.run(find_tool("ssh-add", "openssh-client"), "-L", **agent)
        (key,) = (
            line for line in keys.splitlines() if TOKEN_LABELS[usage].split("(")[1][:9] in line and "CA" not in line
        )
        (folder / "authorized").write_text(f'command="echo the card was let in" {key}\n')
        with _ssh_server(card, folder) as port:
            options = ("BatchMode=yes", "StrictHostKeyChecking=no", f"UserKnownHostsFile={folder}/known")
            words = [word for option in options for word in ("-o", option)]
            ssh = find_tool("ssh", "openssh-client")
            said = card.run(ssh, "-F", "none", "-p", str(port), *words, f"{_own_name()}@127.0.0.1", **agent)
    assert "the card was let in" in said


def _own_name() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


@contextmanager
def _ssh_server(card: HeldCard, folder: Path) -> Iterator[int]:
    card.run(find_tool("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f", folder / "host")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\nAuthenticationMethods publickey\n"
    )
    sshd = first_existing("sshd", "openssh-server", "/usr/sbin/sshd", "/usr/local/sbin/sshd")
    with _running(card, sshd, "-D", "-e", "-f", folder / "sshd_config"):
        wait_until(partial(_listens, port), "sshd")
        yield port


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(card: HeldCard, *command: str | os.PathLike[str]) -> Iterator[None]:
    log = card.home / "log"
    with (
        log.open("ab") as output,
        subprocess.Popen(command, env=card.environment, stdout=output, stderr=output) as process,
    ):
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)


# --- PDF


def _pyhanko(card: HeldCard, usage: Usage) -> None:
    """pyHanko signs with the module; poppler's pdfsig, with Mozilla's NSS, finds the signature and its CA good."""
    unsigned, signed = card.home / "unsigned.pdf", card.home / "signed.pdf"
    canvas = Canvas(str(unsigned))
    canvas.drawString(72, 720, "An application form (specimen)")
    canvas.save()
    ident, password = str(OBJECT_IDS[usage]), card.password_file(usage)
    card.run(sys.executable, SIGN_PDF, opensc_module(), TOKEN_LABELS[usage], ident, password, unsigned, signed)
    (card.home / "ca.pem").write_bytes(jpkica.as_pem(jpkica.ca_certificate(usage)))
    (card.home / "nss").mkdir()
    database = f"sql:{card.home / 'nss'}"
    certutil = find_tool("certutil", "libnss3-tools")
    card.run(certutil, "-N", "-d", database, "--empty-password")
    card.run(certutil, "-A", "-d", database, "-n", "CA", "-t", "CT,C,C", "-i", card.home / "ca.pem")
    found = card.run(find_tool("pdfsig", "poppler-utils"), "-nssdir", database, signed)
    assert "Signature Validation: Signature is Valid." in found
    assert "Certificate Validation: Certificate is Trusted." in found


PKCS15_TOOL = Client("pkcs15-tool", "opensc-tool", "opensc", _pkcs15_tool, ("--info",))
CLIENTS = (
    PKCS15_TOOL,
    Client("pkcs11-tool-lists", "opensc-tool", "opensc", _pkcs11_tool_lists, ("--info",)),
    Client("pkcs11-tool-signs", "opensc-tool", "opensc", _pkcs11_tool_signs, ("--info",)),
    Client("pkcs11-tool-tests", "opensc-tool", "opensc", _pkcs11_tool_tests, ("--info",)),
    Client("p11tool", "p11tool", "gnutls-bin", _p11tool),
    Client("gnutls-cli", "gnutls-cli", "gnutls-bin", _gnutls_cli),
    Client("openssl", "openssl", "openssl", _openssl, ("version",)),
    Client("ssh", "ssh", "openssh-client", _ssh, ("-V",)),
    Client("pyhanko", sys.executable, "python3", _pyhanko, version_of("pyhanko")),
)
