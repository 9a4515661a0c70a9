package main

const (
	line000 = 0
	line001 = 1
	line002 = 2
	line003 = 3
	line004 = 4
	line005 = 5
)
