"""What people import: autoencoders behind a scikit-learn interface."""
