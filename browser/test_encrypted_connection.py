"""What the page tells of a connection over TLS."""

import ssl
from pathlib import Path

import pika
from selenium import webdriver

from amqpd.testing.certificates import LOCALHOST, Authority
from browser.broker import Broker, free_port
from browser.page import Page


def test_a_connection_tells_what_it_is_encrypted_with_and_whose_certificate_it_has(
    driver: webdriver.Chrome, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server, client = authority.issue("localhost", names=LOCALHOST), authority.issue("anna")
    port = free_port()
    broker = Broker(
        tmp_path,
        f"--ssl-listeners=127.0.0.1:{port}",
        f"--ssl-certfile={server.certfile}",
        f"--ssl-keyfile={server.keyfile}",
        f"--ssl-cacertfile={authority.cacertfile}",
        "--ssl-verify=verify_peer",
    )
    context = ssl.create_default_context(cafile=str(authority.cacertfile))
    context.load_cert_chain(client.certfile, client.keyfile)
    options = pika.SSLOptions(context, "localhost")
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, ssl_options=options))
    page = Page(driver, broker.page)
    page.log_in("#/connections")
    page.until(lambda: page.table("Connections"), "the connection")
    page.run("document.querySelector('tbody a[href*=\"#/connections/\"]').click()")
    page.see("tlsv1.3 any, aes_256_gcm, aead")
    page.see("CN=anna")
    connection.close()
    broker.stop()
