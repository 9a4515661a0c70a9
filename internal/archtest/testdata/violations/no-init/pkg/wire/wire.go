package wire

type codec struct{}

func (codec) init() {}

func init() {}
