"""What belongs to the checkout: the demo and the live page, on the local stack."""
