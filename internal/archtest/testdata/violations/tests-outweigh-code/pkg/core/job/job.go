package job

const (
	line000 = 0
	line001 = 1
	line002 = 2
	line003 = 3
	line004 = 4
	line005 = 5
	line006 = 6
	line007 = 7
	line008 = 8
	line009 = 9
	line010 = 10
	line011 = 11
	line012 = 12
	line013 = 13
	line014 = 14
	line015 = 15
)
