"""HTTP beside the broker, in its event loop: listening sockets, and uvicorn that answers on them."""
