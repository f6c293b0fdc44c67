"""The embedded demo server: sglang's dialect and log over vectors made of characters. It is not a language model."""
