namespace OrleansPd.Engines.Requests;

/// <summary>Counts of a walk so far; the difference of two readings describes the value between them.</summary>
internal struct JsonCounts
{
    /// <summary>Numbers, and those of them that are not plain integers.</summary>
    public int Numbers, Fractions;

    /// <summary>String values (keys not counted), true/false/null, arrays and objects entered.</summary>
    public int Strings, Literals, Arrays, Objects;

    public static JsonCounts operator -(in JsonCounts a, in JsonCounts b) => new()
    {
        Numbers = a.Numbers - b.Numbers,
        Fractions = a.Fractions - b.Fractions,
        Strings = a.Strings - b.Strings,
        Literals = a.Literals - b.Literals,
        Arrays = a.Arrays - b.Arrays,
        Objects = a.Objects - b.Objects,
    };
}
