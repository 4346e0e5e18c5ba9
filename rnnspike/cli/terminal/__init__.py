"""What commands share to speak to the user: results, messages, progress, and signals that end them."""
