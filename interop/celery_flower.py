"""Flower for celery_program, as a process: celery_flower URL PREFIX API PORT."""

import sys

from interop.celery_program import create_application

if __name__ == "__main__":
    url, prefix, api, port = sys.argv[1:]
    words = ["flower", f"--broker-api={api}", "--address=127.0.0.1", f"--port={port}"]
    create_application(url, prefix).start(words)
