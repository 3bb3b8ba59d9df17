namespace OrleansPd.Gateway.Observing;

/// <summary>Whether the gateway is stopping.</summary>
internal sealed class GatewayLifetime
{
    private volatile bool _stopping;

    public bool IsStopping => _stopping;

    public void Stop() => _stopping = true;
}
