namespace OrleansPd.Cluster.Membership;

/// <summary>A part of this process that releases what a dead gateway held.</summary>
internal interface IGatewayDeaths
{
    void GatewayDied(string gateway);
}
