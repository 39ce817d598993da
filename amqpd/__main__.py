"""`python -m amqpd` starts the broker, as the command `amqpd` does."""

import sys

from amqpd.cli.amqpd import main

if __name__ == "__main__":
    sys.exit(main())
