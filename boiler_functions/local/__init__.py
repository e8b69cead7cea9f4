"""The local stack: the real Firestore emulator, real functions, and delivery of events as in production."""
