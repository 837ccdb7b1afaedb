"""World rows → TL objects, as one account sees them."""
