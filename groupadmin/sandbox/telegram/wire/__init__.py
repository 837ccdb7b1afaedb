"""MTProto from the server's side: packets, handshake, encrypted sessions, connections. Knows no world."""
