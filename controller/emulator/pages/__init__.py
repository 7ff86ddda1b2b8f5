"""What a merchant sees in a browser: the link page with its consent, and the Sync Flow with its mapping form."""
