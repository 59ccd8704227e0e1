"""What the end-to-end tests and the bench stand on: real servers, started and ended here."""
