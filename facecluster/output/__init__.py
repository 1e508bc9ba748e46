"""Who is who in, what people open out: records, folders, montages."""
