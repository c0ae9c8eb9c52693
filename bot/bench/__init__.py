"""`ringi bench`: what the desk costs, beside something real, in one run."""
