"""WebSocket mode: views that clients follow and change over Socket.IO, in a service of its own."""
