package link

import _ "math/rand"
