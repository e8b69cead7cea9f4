"""The local stack: the real Firestore emulator, real functions, and delivery as production does it."""
