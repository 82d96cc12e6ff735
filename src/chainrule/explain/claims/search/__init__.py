"""The search for the smallest edit that makes a claim right."""
