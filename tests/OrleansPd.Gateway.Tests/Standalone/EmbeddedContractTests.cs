using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Options;
using OrleansPd.Core.States;
using OrleansPd.Engines.Probes;
using OrleansPd.Standalone;
using OrleansPd.Testing.Contracts;

namespace OrleansPd.Gateway.Tests.Standalone;

/// <summary>The control plane of one process keeps what every control plane promises.</summary>
public sealed class EmbeddedContractTests : ControlPlaneContract
{
    protected override async Task<IControlPlaneHost> StartHostAsync(ControlPlaneOptions options, IEngineProbe engines)
    {
        var clock = new FakeTimeProvider();
        var plane = EmbeddedControlPlane.Create(options, engines, clock, seed: 7, NullLogger.Instance);
        await plane.StartAsync(Token);
        return new Host(plane, clock);
    }

    private sealed class Host(EmbeddedControlPlane plane, FakeTimeProvider clock) : IControlPlaneHost
    {
        public IControlPlane Plane => plane;

        public IFleetAdmin Admin => plane;

        public void Advance(TimeSpan by) => clock.Advance(by);

        public ValueTask DisposeAsync() => plane.DisposeAsync();
    }
}
