/// The sets of strings of ethtool that are the same for every interface, as Linux 6.18 gives them for `lo`.
enum EthtoolNames {
  /// ETH_SS_FEATURES: the place of a name is the feature's bit. Places without a feature have no name.
  static let features = list(
    """
    tx-scatter-gather tx-checksum-ipv4 - tx-checksum-ip-generic tx-checksum-ipv6 highdma
    tx-scatter-gather-fraglist tx-vlan-hw-insert rx-vlan-hw-parse rx-vlan-filter vlan-challenged
    tx-generic-segmentation - - rx-gro rx-lro tx-tcp-segmentation tx-gso-robust tx-tcp-ecn-segmentation
    tx-tcp-mangleid-segmentation tx-tcp6-segmentation tx-fcoe-segmentation tx-gre-segmentation
    tx-gre-csum-segmentation tx-ipxip4-segmentation tx-ipxip6-segmentation tx-udp_tnl-segmentation
    tx-udp_tnl-csum-segmentation tx-gso-partial tx-tunnel-remcsum-segmentation tx-sctp-segmentation
    tx-esp-segmentation - tx-udp-segmentation tx-gso-list tx-tcp-accecn-segmentation tx-checksum-fcoe-crc
    tx-checksum-sctp rx-ntuple-filter rx-hashing rx-checksum tx-nocache-copy loopback rx-fcs rx-all
    tx-vlan-stag-hw-insert rx-vlan-stag-hw-parse rx-vlan-stag-filter l2-fwd-offload hw-tc-offload esp-hw-offload
    esp-tx-csum-hw-offload rx-udp_tunnel-port-offload tls-hw-tx-offload tls-hw-rx-offload rx-gro-hw
    tls-hw-record rx-gro-list macsec-hw-offload rx-udp-gro-forwarding hsr-tag-ins-offload hsr-tag-rm-offload
    hsr-fwd-offload hsr-dup-offload
    """)
  /// ETH_SS_RSS_HASH_FUNCS
  static let hashFunctions = ["toeplitz", "xor", "crc32"]
  /// ETH_SS_TUNABLES
  static let tunables = list("Unspec rx-copybreak tx-copybreak pfc-prevention-tout tx-copybreak-buf-size")
  /// ETH_SS_PHY_TUNABLES
  static let phyTunables = list("Unspec phy-downshift phy-fast-link-down phy-energy-detect-power-down")
  /// ETH_SS_LINK_MODES: the place of a name is the mode's bit.
  static let linkModes = list(
    """
    10baseT/Half 10baseT/Full 100baseT/Half 100baseT/Full 1000baseT/Half 1000baseT/Full Autoneg TP AUI MII FIBRE
    BNC 10000baseT/Full Pause Asym_Pause 2500baseX/Full Backplane 1000baseKX/Full 10000baseKX4/Full
    10000baseKR/Full 10000baseR_FEC 20000baseMLD2/Full 20000baseKR2/Full 40000baseKR4/Full 40000baseCR4/Full
    40000baseSR4/Full 40000baseLR4/Full 56000baseKR4/Full 56000baseCR4/Full 56000baseSR4/Full 56000baseLR4/Full
    25000baseCR/Full 25000baseKR/Full 25000baseSR/Full 50000baseCR2/Full 50000baseKR2/Full 100000baseKR4/Full
    100000baseSR4/Full 100000baseCR4/Full 100000baseLR4_ER4/Full 50000baseSR2/Full 1000baseX/Full
    10000baseCR/Full 10000baseSR/Full 10000baseLR/Full 10000baseLRM/Full 10000baseER/Full 2500baseT/Full
    5000baseT/Full None RS BASER 50000baseKR/Full 50000baseSR/Full 50000baseCR/Full 50000baseLR_ER_FR/Full
    50000baseDR/Full 100000baseKR2/Full 100000baseSR2/Full 100000baseCR2/Full 100000baseLR2_ER2_FR2/Full
    100000baseDR2/Full 200000baseKR4/Full 200000baseSR4/Full 200000baseLR4_ER4_FR4/Full 200000baseDR4/Full
    200000baseCR4/Full 100baseT1/Full 1000baseT1/Full 400000baseKR8/Full 400000baseSR8/Full
    400000baseLR8_ER8_FR8/Full 400000baseDR8/Full 400000baseCR8/Full LLRS 100000baseKR/Full 100000baseSR/Full
    100000baseLR_ER_FR/Full 100000baseCR/Full 100000baseDR/Full 200000baseKR2/Full 200000baseSR2/Full
    200000baseLR2_ER2_FR2/Full 200000baseDR2/Full 200000baseCR2/Full 400000baseKR4/Full 400000baseSR4/Full
    400000baseLR4_ER4_FR4/Full 400000baseDR4/Full 400000baseCR4/Full 100baseFX/Half 100baseFX/Full
    10baseT1L/Full 800000baseCR8/Full 800000baseKR8/Full 800000baseDR8/Full 800000baseDR8_2/Full
    800000baseSR8/Full 800000baseVR8/Full 10baseT1S/Full 10baseT1S/Half 10baseT1S_P2MP/Half 10baseT1BRR/Full
    200000baseCR/Full 200000baseKR/Full 200000baseDR/Full 200000baseDR_2/Full 200000baseSR/Full
    200000baseVR/Full 400000baseCR2/Full 400000baseKR2/Full 400000baseDR2/Full 400000baseDR2_2/Full
    400000baseSR2/Full 400000baseVR2/Full 800000baseCR4/Full 800000baseKR4/Full 800000baseDR4/Full
    800000baseDR4_2/Full 800000baseSR4/Full 800000baseVR4/Full
    """)

  /// Words of a table; `-` stands for no name.
  private static func list(_ text: String) -> [String] {
    text.split { $0 == " " || $0 == "\n" }.map { $0 == "-" ? "" : String($0) }
  }
}
