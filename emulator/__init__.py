"""The demo and the live page, which run on the local stack; part of the checkout, not of the package."""
