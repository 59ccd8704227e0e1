"""What the end-to-end tests and the bench stand on: real servers, started and ended here."""
import os

# The top of the tree.
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
