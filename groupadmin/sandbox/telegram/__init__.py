"""A Telegram server on the loopback interface, speaking MTProto to unmodified clients."""
