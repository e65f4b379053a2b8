"""What figures are drawn with: size, type, colours, bars with figures beside them, and sequence logos."""
