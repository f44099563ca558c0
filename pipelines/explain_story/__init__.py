"""What `segone explain` tells: gates in words, decisions as stories, why there was no offer, all of it as a page."""
