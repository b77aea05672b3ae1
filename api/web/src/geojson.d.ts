/** The part of GeoJSON (RFC 7946) that the counties use. */

export interface Polygon {
  readonly type: "Polygon";
  readonly coordinates: number[][][];
}

export interface MultiPolygon {
  readonly type: "MultiPolygon";
  readonly coordinates: number[][][][];
}

export interface FeatureCollection<G, P> {
  readonly type: "FeatureCollection";
  readonly features: readonly {
    readonly type: "Feature";
    readonly id: string;
    readonly geometry: G;
    readonly properties: P;
  }[];
}
