package obs
