"""The worker of celery_program, as a process: celery_worker URL PREFIX."""

import sys

from interop.celery_program import create_application

if __name__ == "__main__":
    url, prefix = sys.argv[1:]
    create_application(url, prefix).worker_main(["worker", "--pool=solo", "--loglevel=INFO"])
