using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Orleans.Runtime.MembershipService.SiloMetadata;
using OrleansPd.Cluster.Membership;
using OrleansPd.Core.Placement;

namespace OrleansPd.Cluster.Placement;

/// <summary>
/// Locations of the silos, from the metadata that they publish: <c>node</c> and <c>zone</c>. A silo whose metadata has not
/// arrived yet is located by its address only.
/// </summary>
internal sealed class SiloMap(
    IClusterMembershipService membership, ILocalSiloDetails local, IOptions<SiloMetadata> own, IServiceProvider services)
{
    private readonly ISiloMetadataCache? _metadata = services.GetService<ISiloMetadataCache>();

    public SiloLocation Here { get; } = LocationOf(local.SiloAddress, own.Value);
    public string Address { get; } = local.SiloAddress.Endpoint.ToString();

    public IEnumerable<SiloLocation> Active => membership.CurrentSnapshot.Members.Values
        .Where(m => m.Status == SiloStatus.Active).Select(m => LocationOf(m.SiloAddress));

    public bool IsActive(SiloAddress silo) =>
        membership.CurrentSnapshot.Members.TryGetValue(silo, out var member) && member.Status == SiloStatus.Active;

    public SiloLocation LocationOf(SiloAddress silo) =>
        silo.Equals(local.SiloAddress) ? Here : LocationOf(silo, _metadata?.GetSiloMetadata(silo));

    private static SiloLocation LocationOf(SiloAddress silo, SiloMetadata? metadata) => new(
        ClusterMembers.NameOf(silo),
        silo.Endpoint.Address.ToString(),
        metadata?.Metadata.GetValueOrDefault(EngineLocation.Node) ?? "",
        metadata?.Metadata.GetValueOrDefault(EngineLocation.Zone) ?? "");
}
