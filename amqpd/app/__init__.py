"""The application: the only place that knows all the parts, and puts them together from the settings."""

from amqpd.app.beginning import StartError, make_broker
from amqpd.app.running import choose_event_loop, run
from amqpd.app.services import managing, measuring, serving

__all__ = ["StartError", "choose_event_loop", "make_broker", "managing", "measuring", "run", "serving"]
