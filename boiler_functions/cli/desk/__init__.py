"""`boiler desk`: a page for a browser that shows what the operator's commands say. It computes nothing of its own."""
