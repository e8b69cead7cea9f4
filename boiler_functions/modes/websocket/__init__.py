"""WebSocket mode: a service of its own, in which clients follow and change views over Socket.IO."""
