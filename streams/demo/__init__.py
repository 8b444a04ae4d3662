"""The demo: a believable fleet with planted stories, through the real roles on a broker of its own."""
