"""What people and other programs read: tables, records, pictures, explanations."""
