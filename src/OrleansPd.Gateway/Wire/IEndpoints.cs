namespace OrleansPd.Gateway.Wire;

/// <summary>A group of routes. All groups that are registered as this are mapped when the gateway starts.</summary>
internal interface IEndpoints
{
    void Map(IEndpointRouteBuilder routes);
}
