using OrleansPd.Core.Options;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Options;

public sealed class ControlPlaneOptionsValidatorTests
{
    public static TheoryData<string, ControlPlaneOptions> Wrong => new()
    {
        { "QueueSize: -1 is not between 0 and 1000000.", new() { QueueSize = -1 } },
        { "Policy: may not be empty.", new() { Policy = "" } },
        { "DecodePolicy: 'manual' is none of cache_aware, least_load, power_of_two, round_robin, random, consistent_hashing, "
            + "session (nearest to the router's manual: session).", new() { DecodePolicy = "manual" } },
        { "ModelPolicy:1: 'a' is named twice.", new() { ModelPolicy = ["a=random", "a=session"] } },
        { "ModelPolicy:0: 'a' is not MODEL=PREFILL[,DECODE].", new() { ModelPolicy = ["a"] } },
        { "StallBrokenSecs: 20 is less than StallSuspectSecs (30).", new() { StallBrokenSecs = 20 } },
        { "FacadeHost: is needed with BootstrapFacade: the address under which decode engines reach this host.",
            new() { BootstrapFacade = true } },
        { "FacadeHost: 'a b' is not a host name or an address.", new() { BootstrapFacade = true, FacadeHost = "a b" } },
        { "FacadePortRange: '1-99999' is not a port range such as 20000-20999 (both ports with the same number of digits).",
            new() { FacadePortRange = "1-99999" } },
        { "Workers:0:Url: 'grpc://p:1' is not a URL such as http://10.0.0.1:30000.", Workers("grpc://p:1") },
        { "Workers:0:Url: 'http://p:1/v1' must be the engine's address alone, without path, query or user.",
            Workers("http://p:1/v1") },
        { "Workers:1:Url: http://p:1 is named twice.", Workers("http://p:1", "http://P:1/") },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_problem_is_reported_with_its_setting(string problem, ControlPlaneOptions options) =>
        Assert.Equal(problem, Assert.Single(ControlPlaneOptionsValidator.Validate(options)).ToString());

    [Fact]
    public void All_problems_are_reported_and_defaults_have_none()
    {
        Assert.Empty(ControlPlaneOptionsValidator.Validate(new ControlPlaneOptions()));
        Assert.Equal(["RoomTtlSecs", "Policy", "Workers:0:Url"], ControlPlaneOptionsValidator.Validate(new()
        {
            RoomTtlSecs = 0,
            Policy = "best",
            Workers = { new WorkerSpec { Role = WorkerRole.Prefill, Url = new Uri("ftp://p") } },
        }).Select(problem => problem.Setting));
    }

    private static ControlPlaneOptions Workers(params string[] urls) => new()
    {
        Workers = [.. urls.Select(url => new WorkerSpec { Role = WorkerRole.Prefill, Url = new Uri(url) })],
    };
}
