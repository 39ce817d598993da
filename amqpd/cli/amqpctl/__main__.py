"""`python -m amqpd.cli.amqpctl` is `amqpctl`."""

import sys

from amqpd.cli.amqpctl.running import PROGRAM, main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], PROGRAM))
