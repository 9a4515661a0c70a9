package devcluster

import "path/filepath"

// listens names the config keys by which a tier listens; each gets an address
// of its own.
var listens = map[string][]string{
	tierEtcd:       {"listen"},
	tierIssuer:     {"listen"},
	tierAccess:     {"listen"},
	tierScheduler:  {"listen"},
	tierAggregator: {"listen", "session_listen"},
}

// advertise are the tiers that tell others where they are.
var advertise = map[string]bool{tierScheduler: true, tierAggregator: true}

// keyMetrics is where each process shows its metrics and health to whoever asks,
// without TLS; so it is none of the listeners that ask who comes.
const keyMetrics = "metrics_listen"

// reserves names all config keys of a tier that are addresses of its own.
func reserves(tier string) []string {
	if tier == tierEtcd {
		return listens[tier]
	}
	return append([]string{keyMetrics}, listens[tier]...)
}

// tierSettings adds the config keys that a tier has beyond those that all have.
func (pl *plan) tierSettings(p part, s map[string]any) {
	switch p.tier {
	case tierEtcd:
		s["state_dir"] = pl.layout.state(p.name)
		own := pl.etcdFiles(p.name)
		s["tls.cert"], s["tls.key"], s["tls.ca"] = own.Cert, own.Key, own.CA
	case tierIssuer:
		s["domain"] = Domain
		pl.toEtcd(p, s)
		s["ca_cert"], s["ca_key"] = pl.layout.pki("ca.crt"), pl.layout.pki("ca.key")
		s["tokens_file"] = pl.layout.pki("tokens.json")
	case tierAccess:
		s["domain"] = Domain
		pl.toEtcd(p, s)
	case tierScheduler:
		s["domain"] = Domain
		s["name"] = p.name
		pl.toEtcd(p, s)
		s["store.dsn"] = pl.options.Store
		if pl.options.Store == "" {
			s["store.dsn"] = "sqlite://" + pl.layout.store()
		}
		s["pool"] = p.pool
	case tierAggregator:
		s["domain"] = Domain
		s["name"] = p.name
		pl.toEtcd(p, s)
		s["room"] = p.room
		s["state_dir"] = pl.layout.state(p.name)
	case tierExecutor:
		delete(s, "tls.cert") // the one connection without TLS: peer credentials
		delete(s, "tls.key")
		delete(s, "tls.ca")
		s["socket"] = pl.layout.socket(p.host.id)
		s["endprocess"] = filepath.Join(pl.options.Bin, "ccs-endprocess")
		s["state_dir"] = pl.layout.state(p.name)
	case tierAgent:
		s["domain"] = Domain
		s["host"] = p.host.id
		s["state_dir"] = pl.layout.state(p.name)
		s["aggregators"] = pl.addresses(tierAggregator, p.room, "session_listen")
		s["operator_dir"] = pl.layout.state("operator-" + p.host.id)
		s["executor_socket"] = pl.layout.socket(p.host.id)
		s["issuer"] = pl.addresses(tierIssuer, "", "listen")[0]
		s["issuer_ca"] = pl.layout.pki("ca.crt")
		s["join_token_file"] = pl.layout.pki(p.host.id + ".token")
		s["operator_key"] = pl.layout.pki("operator.pub")
		delete(s, "tls.cert") // it gets its own from the issuer
		delete(s, "tls.key")
	}
}

// toEtcd says where etcd is and with which certificate to go there.
func (pl *plan) toEtcd(p part, s map[string]any) {
	own := pl.etcdFiles(p.name)
	s["etcd.endpoints"] = pl.addresses(tierEtcd, "", "listen")
	s["etcd.tls.cert"], s["etcd.tls.key"], s["etcd.tls.ca"] = own.Cert, own.Key, own.CA
}
